import t from 'tap'
import { MissBudgets, type MissLimits } from '../../lib/shared-directory/miss-budgets.ts'

/** Nothing comes back with time. */
const limits = (one: number, known: number, others: number): MissLimits => ({ one: { rate: 0, burst: one }, known: { rate: 0, burst: known }, others: { rate: 0, burst: others } })

t.test('whoever makes ids up uses up his own', async t => {
  const budgets = new MissBudgets(limits(2, 10, 10))
  t.ok(budgets.take('eve', true))
  t.ok(budgets.take('eve', false))
  t.equal(budgets.take('eve', true), undefined)
  t.ok(budgets.take('ann', true))
})

t.test('all together have an end, for ids of known nodes another than for the rest', async t => {
  const budgets = new MissBudgets(limits(10, 2, 1))
  t.ok(budgets.take('a', false))
  t.equal(budgets.take('b', false), undefined)
  t.ok(budgets.take('b', true))
  t.ok(budgets.take('c', true))
  t.equal(budgets.take('d', true), undefined)
})

t.test('a hit gives back both', async t => {
  const budgets = new MissBudgets(limits(1, 1, 1))
  const giveBack = budgets.take('a', true)
  t.equal(budgets.take('a', true), undefined)
  giveBack!()
  t.ok(budgets.take('a', true))
})

t.test('who gets nothing for want of the others\' keeps his own', async t => {
  const budgets = new MissBudgets(limits(1, 1, 1))
  const others = budgets.take('a', false)
  t.equal(budgets.take('b', false), undefined)
  others!()
  t.ok(budgets.take('b', false))
})
