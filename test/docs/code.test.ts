import { expect, it } from 'vitest'
import * as busbar from '../../src/index.ts'
import * as rabbitmq from '../../src/rabbitmq/index.ts'
import * as testing from '../../src/testing/index.ts'
import { codeBlocks, texts } from './texts.ts'

const parts: Readonly<Record<string, object>> = {
  busbar,
  'busbar/rabbitmq': rabbitmq,
  'busbar/testing': testing,
}

it.each(texts)('what the code in $path imports from busbar is exported', (text) => {
  const missing: string[] = []
  for (const code of codeBlocks(text, 'ts'))
    for (const [, names = '', part = ''] of code.matchAll(/import \{([^}]+)\} from '(busbar[^']*)'/g))
      for (const name of names.split(',').map((each) => each.trim()))
        if (!(name in (parts[part] ?? {}))) missing.push(`${name} of ${part}`)
  expect(missing).toEqual([])
})

it.each(texts)('every block of JSON in $path is JSON', (text) => {
  for (const code of codeBlocks(text, 'json')) expect(() => JSON.parse(code) as unknown, code).not.toThrow()
})

/** What curl sends as JSON, single-quoted. */
const sent = (text: string) => [...text.matchAll(/-d '(\{[^']*\})'/g)].map(([, body = '']) => body)

it.each(texts)('every body that curl sends in $path is JSON, and every event a CloudEvent', ({ text }) => {
  for (const body of sent(text)) {
    const value = JSON.parse(body) as Record<string, unknown>
    if ('specversion' in value)
      expect(value).toMatchObject({
        specversion: '1.0',
        id: expect.any(String) as string,
        source: expect.any(String) as string,
        type: expect.any(String) as string,
      })
  }
})

it('the documents have events to send', () => {
  const withEvents = texts.filter(({ text }) => sent(text).some((body) => body.includes('specversion')))
  expect(withEvents.map(({ path }) => path)).toEqual(
    expect.arrayContaining(['README.md', 'docs/getting-started.md', 'init:README.md']),
  )
})
