import { expect, it } from 'vitest'
import type { AlertMessage } from '../control/alert-words.ts'
import { bodyOf, slackText, webhookBody } from './message.ts'

const message: AlertMessage = {
  id: 'busbar-alert-shop-7',
  hub: 'shop',
  at: '2026-11-27T10:42:00.000Z',
  test: false,
  changes: [
    {
      kind: 'person',
      problem: 'outbox:order/1',
      system: 'erp',
      code: 'call.invalid',
      title: '<!channel> *no* tax & code | x',
      sentence: [
        { kind: 'link', to: 'system', id: 'erp', text: 'erp' },
        { kind: 'text', text: ' says no since ' },
        { kind: 'time', at: '2026-11-27T10:42:00.000Z' },
      ],
    },
  ],
}

it('text says what is true, with moments in UTC and a link to the console', () => {
  expect(bodyOf(message, 'https://busbar.example')).toBe(
    'A person is needed at erp: <!channel> *no* tax & code | x\nerp says no since 10:42 UTC on 27 Nov 2026\nhttps://busbar.example/problems/outbox%3Aorder%2F1\n',
  )
  expect(bodyOf(message, undefined)).not.toContain('http')
})

it('for Slack, nothing from outside becomes markup or a mention', () => {
  const text = slackText(message, 'https://busbar.example')
  expect(text).toMatch(/^\*<https:\/\/busbar\.example\/problems\/outbox%3Aorder%2F1\|A person is needed/)
  expect(text).toContain('&lt;!channel&gt;')
  expect(text).toContain('tax &amp; code ¦ x>*')
  expect(text).not.toContain('<!channel>')
})

it('a webhook has each change with its parts, words and link', () => {
  const body = JSON.parse(webhookBody(message, 'https://busbar.example')) as Record<string, unknown>
  expect(body).toMatchObject({
    type: 'busbar.alert',
    timestamp: message.at,
    data: {
      id: message.id,
      hub: 'shop',
      changes: [
        {
          kind: 'person',
          problem: 'outbox:order/1',
          url: 'https://busbar.example/problems/outbox%3Aorder%2F1',
        },
      ],
    },
  })
})

it('writes out twenty changes and counts the others', () => {
  const many = { ...message, changes: Array.from({ length: 25 }, () => message.changes[0]!) }
  expect(bodyOf(many, undefined)).toMatch(/and 5 more\n$/)
  expect(slackText(many, undefined)).toMatch(/and 5 more$/)
})
