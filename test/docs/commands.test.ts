import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { CommanderError } from 'commander'
import { expect, it } from 'vitest'
import { createProgram } from '../../src/cli/cli.ts'
import { projectFiles } from '../../src/cli/project-template.ts'
import { codeBlocks, root, texts } from './texts.ts'
import type { Text } from './texts.ts'

/** Lines of shell blocks, continued ones joined, and what stands in the running text as code. */
function commandLines(text: Text): string[] {
  const blocks = codeBlocks(text, 'sh').flatMap((code) => code.replaceAll(/\\\n\s*/g, ' ').split('\n'))
  const inline = [...text.text.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code)
  return [...blocks, ...inline]
}

/** A line's words as a shell reads them, its comment and assignments left out; enough of it for what documents show. */
function wordsOf(line: string): string[] {
  const words: string[] = []
  for (const [word, single, double] of line.matchAll(/'([^']*)'|"([^"]*)"|[^\s'"]+/g)) {
    if (word.startsWith('#') || word === '|' || word === '&&') break
    words.push(single ?? double ?? word)
  }
  return words.slice(words.findIndex((word) => !/^[A-Z_]+=/.test(word)))
}

/** Does nothing, whatever command is given. */
function idle(command: Command): Command {
  command.exitOverride().configureOutput({ writeOut: () => undefined, writeErr: () => undefined })
  if (command.commands.length === 0) command.action(() => undefined)
  for (const each of command.commands) idle(each)
  return command
}

const terminal = { out: () => undefined, err: () => undefined, colour: false, width: Infinity }
const isPlaceholder = (words: readonly string[]) => words.some((word) => /^[[<]/.test(word))

/** What commander has against a command line; undefined when nothing. */
async function complaint(words: readonly string[]): Promise<string | undefined> {
  try {
    await idle(createProgram(terminal)).parseAsync([...words], { from: 'user' })
    return undefined
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    // `busbar keys` alone shows its help: it is named in the text, not run.
    return error.code === 'commander.help' || error.exitCode === 0 ? undefined : error.message
  }
}

it.each(texts)('every busbar command in $path is one', async (text) => {
  const wrong: string[] = []
  for (const line of commandLines(text)) {
    const words = wordsOf(line)
    if (words[0] === 'npx') words.shift()
    if (words.shift() !== 'busbar' || isPlaceholder(words)) continue
    const isNamedOnly = words.length === 1 // `busbar retry` stands for the command
    const why = isNamedOnly ? undefined : await complaint(words)
    if (why !== undefined) wrong.push(`${line}: ${why}`)
  }
  expect(wrong).toEqual([])
})

it('the documents have commands to check', () => {
  const all = texts.flatMap(commandLines).filter((line) => /^(npx )?busbar /.test(line))
  expect(all.length).toBeGreaterThan(40)
})

const scriptsOf = (packageJson: string) =>
  Object.keys((JSON.parse(packageJson) as { scripts: Record<string, string> }).scripts)
const own = scriptsOf(readFileSync(`${root}package.json`, 'utf8'))
const project = scriptsOf(
  projectFiles({ name: 'a', version: '0.0.0' }).find(({ path }) => path === 'package.json')?.text ?? '{}',
)

it.each(texts)('every npm script in $path is there', (text) => {
  const isAboutProject = text.path.startsWith('init:') || text.path === 'docs/getting-started.md'
  const named = commandLines(text).flatMap((line) =>
    [...line.matchAll(/\bnpm (?:run )?([\w:-]+)/g)].map(([, name = '']) => name),
  )
  const scripts = [...(isAboutProject ? project : own), 'ci', 'install', 'run']
  expect(named.filter((name) => !scripts.includes(name))).toEqual([])
})
