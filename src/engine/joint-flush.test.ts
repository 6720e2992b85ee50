import { describe, expect, it } from 'vitest'
import { BusbarError } from '../errors.ts'
import type { Flush } from '../journal/port.ts'
import { JointFlush } from './joint-flush.ts'

const nothing = { runs: [], steps: [], attempts: [], problems: [], signals: [], links: [], linkWaits: [] }
const flushOf = (group: string, more: Partial<Flush> = {}) =>
  ({ ...nothing, sequences: [], group, part: 0, done: [], claimedTo: 0, ...more }) as unknown as Flush

/** A journal that notes what it was asked, and two groups beside each other. */
function world(answers: { all?: () => Promise<'ok' | 'lost'>; lost?: string } = {}) {
  const calls: string[] = []
  const joint = new JointFlush({
    async flush({ group }) {
      calls.push(group)
      return group === answers.lost ? 'lost' : 'ok'
    },
    flushAll: async (flushes) => {
      calls.push(flushes.map(({ group }) => group).join('+'))
      return (await answers.all?.()) ?? 'ok'
    },
  })
  let asked = 0
  const other = { along: () => void asked++ }
  joint.join({ along: () => undefined })
  joint.join(other)
  return { joint, calls, other, asked: () => asked }
}

describe('a joint flush', () => {
  it('carries what others give when they are asked, in one call', async () => {
    const { joint, calls, asked } = world()
    const answers: Promise<string>[] = []
    joint.join({
      along: () => void Promise.resolve().then(() => answers.push(joint.flush(flushOf('b')))),
    })
    expect(await joint.flush(flushOf('a'))).toBe('ok')
    expect(await Promise.all(answers)).toEqual(['ok'])
    expect(calls).toEqual(['a+b'])
    expect(asked()).toBe(1)
  })

  it('goes by itself where others have nothing, or there are none', async () => {
    const { joint, calls, other } = world()
    await joint.flush(flushOf('a'))
    joint.leave(other)
    await joint.flush(flushOf('b'))
    expect(calls).toEqual(['a', 'b'])
  })

  it.each([
    ['rows', { runs: [{}] }],
    ['steps', { steps: [{}] }],
    ['attempts', { attempts: [{}] }],
    ['problems', { problems: [{}] }],
    ['signals', { signals: ['key'] }],
    ['links', { links: [{}] }],
    ['waits for links', { linkWaits: [{}] }],
    ['sequences', { sequences: [{}] }],
    ['how far a group has come', { claimedTo: 7 }],
    ['what is repeated', { again: true }],
  ])('lets %s go by itself', async (_, more) => {
    const { joint, calls, asked } = world()
    await Promise.all([
      joint.flush(flushOf('a', more as unknown as Partial<Flush>)),
      joint.flush(flushOf('b')),
    ])
    expect(calls).toEqual(['a', 'b'])
    expect(asked()).toBe(1)
  })

  it('asks for each alone where one of them is lost, so that the others go on', async () => {
    const { joint, calls } = world({ all: () => Promise.resolve('lost'), lost: 'b' })
    const all = [joint.flush(flushOf('a')), joint.flush(flushOf('b')), joint.flush(flushOf('c'))]
    expect(await Promise.all(all)).toEqual(['ok', 'lost', 'ok'])
    expect(calls).toEqual(['a+b+c', 'a', 'b', 'c'])
  })

  it('asks for each alone where the journal refuses what one of them says', async () => {
    const refused = new BusbarError('event.invalid', 'out of range')
    const { joint, calls } = world({ all: () => Promise.reject(refused) })
    expect(await Promise.all([joint.flush(flushOf('a')), joint.flush(flushOf('b'))])).toEqual(['ok', 'ok'])
    expect(calls).toEqual(['a+b', 'a', 'b'])
  })

  it('fails for each where the outcome is unknown', async () => {
    const { joint } = world({ all: () => Promise.reject(new Error('no answer')) })
    const all = await Promise.allSettled([joint.flush(flushOf('a')), joint.flush(flushOf('b'))])
    expect(all.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  })

  it('writes sixteen at a time', async () => {
    const { joint, calls } = world()
    await Promise.all(Array.from({ length: 18 }, (_, index) => joint.flush(flushOf(`g${index}`))))
    expect(calls.map((call) => call.split('+').length)).toEqual([16, 2])
  })
})
