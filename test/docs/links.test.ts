import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { root, texts } from './texts.ts'

/** The anchor that GitHub makes of a heading. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')

const own = texts.filter(({ path }) => !path.startsWith('init:'))

it.each(own)('every link of $path leads somewhere', ({ path, text }) => {
  const broken: string[] = []
  for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target)) continue
    const [file = '', anchor] = target.split('#')
    const found = file === '' ? join(root, path) : join(root, dirname(path), file)
    const isThere = existsSync(found)
    if (!isThere) broken.push(target)
    else if (anchor !== undefined) {
      const headings = [...readFileSync(found, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, words = '']) =>
        anchorOf(words),
      )
      if (!headings.includes(anchor)) broken.push(target)
    }
  }
  expect(broken).toEqual([])
})

it('every page of the documentation can be reached from the README', () => {
  const readme = own.find(({ path }) => path === 'README.md')?.text ?? ''
  const pages = own.map(({ path }) => path).filter((path) => /^docs\/[^/]+$/.test(path))
  expect(pages.filter((path) => !readme.includes(`](${path})`))).toEqual([])
})
