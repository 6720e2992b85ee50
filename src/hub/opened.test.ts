import { expect, it } from 'vitest'
import { Opened } from './opened.ts'

it('closes in the reverse order, each once, and goes on when one fails', async () => {
  const opened = new Opened()
  const closed: string[] = []
  const add = (name: string, fault?: string) =>
    opened.add(async () => {
      closed.push(name)
      if (fault !== undefined) throw new Error(fault)
    })
  add('database')
  add('session', 'the session does not end')
  add('server', 'the server does not end')
  await expect(opened.close()).rejects.toThrow('the server does not end')
  expect(closed).toEqual(['server', 'session', 'database'])
  await opened.close()
  expect(closed).toHaveLength(3)
})
