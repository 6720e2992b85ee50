import { expect, it } from 'vitest'
import { SharedAnswers } from './shared-answers.ts'

it('does not keep a failure', async () => {
  const answers = new SharedAnswers()
  await expect(answers.take('now', () => Promise.reject(new Error('away')))).rejects.toThrow('away')
  expect(await answers.take('now', () => Promise.resolve('here'))).toBe('here')
})

it('does not give what was begun before a change to those who ask after it', async () => {
  const answers = new SharedAnswers()
  let finish: (answer: string) => void = () => undefined
  const early = answers.take('now', () => new Promise((resolve) => (finish = resolve)))
  answers.forget()
  const late = answers.take('now', () => Promise.resolve('after'))
  finish('before')
  expect(await early).toBe('before')
  expect(await late).toBe('after')
  expect(await answers.take('now', () => Promise.resolve('new'))).toBe('after')
})
