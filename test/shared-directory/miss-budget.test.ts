import t from 'tap'
import { MissBudget } from '../../lib/shared-directory/miss-budget.ts'

t.test('a budget gives its burst and no more', async t => {
  const budget = new MissBudget(0, 3)
  t.strictSame([budget.take(), budget.take(), budget.take(), budget.take()], [true, true, true, false])
  budget.giveBack()
  t.strictSame([budget.take(), budget.take()], [true, false])
})

t.test('what is given back never makes more than the burst', async t => {
  const budget = new MissBudget(0, 1)
  budget.giveBack()
  t.strictSame([budget.take(), budget.take()], [true, false])
})
