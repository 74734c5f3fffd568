/** What tells answers and streams that time has passed: one timer for all of a kind. */
export { AnswerWait } from './calls/answer-wait.ts'
export type { WaitingAnswer } from './calls/answer-wait.ts'
export { KeepAlive } from './streams/keep-alive.ts'
