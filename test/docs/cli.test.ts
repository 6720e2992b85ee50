import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { expect, it } from 'vitest'
import { createProgram } from '../../src/cli/cli.ts'
import { exitCode } from '../../src/cli/exit-code.ts'

const text = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8')
const program = createProgram({ out() {}, err() {}, colour: false, width: Number.POSITIVE_INFINITY })

/** Commands that do something, with their whole names. */
function commands(command: Command, prefix: string): { name: string; command: Command }[] {
  const own = command.commands.filter((each) => each.name() !== 'help')
  return own.flatMap((each) => {
    const name = `${prefix} ${each.name()}`
    return each.commands.length > 0 ? commands(each, name) : [{ name, command: each }]
  })
}

it('docs/cli.md has a section for each command, and for no other', () => {
  const documented = [...text.matchAll(/^### `(busbar [a-z ]+?)(?: [[<].*)?`$/gm)].map((match) => match[1])
  expect(documented).toEqual(commands(program, 'busbar').map(({ name }) => name))
})

it.each(commands(program, 'busbar'))(
  'docs/cli.md names each option of $name, and no other',
  ({ name, command }) => {
    const section = text.slice(text.indexOf(`### \`${name}`)).split(/\n##/)[0] ?? ''
    const documented = [...section.matchAll(/^\| `(-[^`]+)`/gm)].map((match) => match[1])
    expect(documented).toEqual(command.options.map(({ flags }) => flags))
  },
)

it('docs/cli.md names the options of every command and all exit codes', () => {
  for (const { flags } of program.options) expect(text).toContain(`\`${flags}\``)
  for (const code of Object.values(exitCode)) expect(text).toMatch(new RegExp(`^\\| ${code} +\\|`, 'm'))
})
