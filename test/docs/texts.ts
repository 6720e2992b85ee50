import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectFiles } from '../../src/cli/project-template.ts'

/** Where the repository is, with a slash at the end. */
export const root = new URL('../../', import.meta.url).pathname

/** A text that people read. */
export interface Text {
  /** From the repository's root; of a file that `busbar init` writes, its name after `init:`. */
  readonly path: string
  readonly text: string
}

const folders = ['', 'docs/', 'docs/decisions/', 'examples/order-to-cash/', 'examples/legacy-trigger/']

/** Every Markdown file of the repository, and the README of a new project. */
export const texts: readonly Text[] = [
  ...folders.flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => ({ path: folder + name, text: readFileSync(join(root, folder, name), 'utf8') })),
  ),
  ...projectFiles({ name: 'a-project', version: '0.0.0' })
    .filter(({ path }) => path.endsWith('.md'))
    .map(({ path, text }) => ({ path: `init:${path}`, text })),
]

/** The code blocks of a text in one of these languages. */
export function codeBlocks({ text }: Text, ...languages: readonly string[]): string[] {
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)].flatMap(([, language = '', code = '']) =>
    languages.includes(language) ? [code] : [],
  )
}
