import { describe, expect, it } from 'vitest'
import { bindingKeys, queueName, routingKey } from './topology.ts'

/** Whether a topic exchange gives a message to a queue: `*` is one word, `#` any number of them. */
function matches(binding: readonly string[], key: readonly string[]): boolean {
  const [word, ...rest] = binding
  if (word === undefined) return key.length === 0
  if (word === '#') return matches(rest, key) || (key.length > 0 && matches(binding, key.slice(1)))
  return key.length > 0 && (word === '*' || word === key[0]) && matches(rest, key.slice(1))
}

function reaches(bindings: readonly string[], key: string): boolean {
  return bindings.some((binding) => matches(binding.split('.'), key.split('.')))
}

const types = [
  'order.placed',
  'order',
  'order.placed.v2',
  'a.*',
  'a.#.b',
  '*',
  '#',
  'a*.b#',
  'x'.repeat(255),
  'ü'.repeat(127),
  '0',
  'order.7',
  '..',
]

describe('routing', () => {
  it.each([1, 2, 4, 8, 16, 32, 64])(
    'gives each of %i partitions its slots of each type, and nothing else',
    (parts) => {
      const part = parts - 1
      const messages = types.flatMap((type) => [part, part === 0 ? 1 : 0, 63].map((slot) => ({ type, slot })))
      for (const type of types) {
        const bindings = bindingKeys([type], part, parts)
        const wrong = messages.filter(
          (message) =>
            reaches(bindings, routingKey(message.type, message.slot)) !==
            (message.type === type && message.slot % parts === part),
        )
        expect(wrong).toEqual([])
      }
    },
  )

  it('makes keys that AMQP takes', () => {
    for (const type of types)
      for (const key of [routingKey(type, 63), ...bindingKeys([type], 1, 2), ...bindingKeys([type], 0, 1)])
        expect(Buffer.byteLength(key)).toBeLessThanOrEqual(255)
  })

  it('keeps the words of a type for others to bind', () => {
    expect(routingKey('shop.order.placed', 9)).toBe('shop.order.placed.9')
    expect(reaches(['shop.order.#'], routingKey('shop.order.placed', 9))).toBe(true)
  })

  it('names queues that AMQP takes, another for another number of partitions', () => {
    const long = 'x'.repeat(80)
    const name = queueName(`busbar.${long}`, { group: long, part: 63, parts: 64 })
    expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255)
    expect(queueName('busbar.shop', { group: 'erp', part: 0, parts: 2 })).toBe('busbar.shop.erp.0-2')
  })
})
