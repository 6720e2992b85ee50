import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, it } from 'vitest'

const root = new URL('..', import.meta.url).pathname
const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && !name.endsWith('.test-d.ts'))
  .map((name) => join('src', name))

/** What each part may import, beside itself and the errors: one way, from what runs to what is declared. */
const allowed: Record<string, readonly string[]> = {
  define: [],
  journal: ['define'],
  engine: ['define', 'journal'],
  systems: ['define'],
  telemetry: ['define'],
  rabbitmq: ['define', 'systems'],
  ingress: ['define', 'journal', 'engine'],
  access: ['define', 'journal', 'ingress'],
  control: ['define', 'journal', 'ingress', 'telemetry', 'access'],
  alerts: ['define', 'journal', 'control'],
  testing: ['define', 'journal', 'engine', 'ingress', 'systems'],
}

function imports(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8')
  return [...text.matchAll(/from '(\.[^']+)'/g)].map((match) =>
    relative(root, join(root, dirname(file), match[1] ?? '')),
  )
}

it('imports point one way: only hub and cli compose', () => {
  const wrong: string[] = []
  for (const file of files) {
    const part = file.split('/')[1] ?? ''
    const rule = allowed[part]
    if (!rule) continue
    for (const target of imports(file)) {
      const [, other = ''] = target.split('/')
      if (other === part || other === 'errors.ts' || rule.includes(other)) continue
      wrong.push(`${file} imports ${target}`)
    }
  }
  expect(wrong).toEqual([])
})

it('the engine knows ports, not adapters', () => {
  const wrong = files
    .filter((file) => file.startsWith('src/engine/'))
    .flatMap((file) => imports(file).map((target) => ({ file, target })))
    .filter(
      ({ target }) => target.startsWith('src/journal/') && !/^src\/journal\/port(-\w+)?\.ts$/.test(target),
    )
  expect(wrong).toEqual([])
})

it('no source file has outgrown its one job', () => {
  const long = files.filter((file) => readFileSync(join(root, file), 'utf8').split('\n').length > 500)
  expect(long).toEqual([])
})
