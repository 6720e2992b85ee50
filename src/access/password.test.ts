import { scryptSync } from 'node:crypto'
import { expect, it } from 'vitest'
import { hashPassword, verifyPassword, weakness } from './password.ts'

it('a hash carries its parameters and a salt of its own, and knows its password only', async () => {
  const [one, two] = await Promise.all([
    hashPassword('correct horse battery'),
    hashPassword('correct horse battery'),
  ])
  expect(one).toMatch(/^\$scrypt\$ln=16,r=8,p=2\$[\w-]{22}\$[\w-]{43}$/)
  expect(two).not.toBe(one)
  expect(await verifyPassword('correct horse battery', one)).toEqual({ right: true, renew: false })
  expect(await verifyPassword('correct horse batterY', one)).toEqual({ right: false, renew: false })
})

it('a password typed as other code points of the same letters is the same password', async () => {
  const hash = await hashPassword('Mu\u0308ller und So\u0308hne')
  expect(await verifyPassword('M\u00fcller und S\u00f6hne', hash)).toMatchObject({ right: true })
})

it('a hash of a lower cost still counts, and asks to be made anew', async () => {
  const salt = Buffer.alloc(16, 7)
  const hash = scryptSync('correct horse battery', salt, 32, { N: 2 ** 10, r: 8, p: 1 })
  const cheap = `$scrypt$ln=10,r=8,p=1$${salt.toString('base64url')}$${hash.toString('base64url')}`
  expect(await verifyPassword('correct horse battery', cheap)).toEqual({ right: true, renew: true })
  expect(await verifyPassword('whatever it is', cheap)).toEqual({ right: false, renew: false })
})

it('without a hash nothing is right, and it takes as long', async () => {
  const hash = await hashPassword('correct horse battery')
  const timed = async (stored: string | null) => {
    const start = performance.now()
    expect(await verifyPassword('wrong horse battery', stored)).toMatchObject({ right: false })
    return performance.now() - start
  }
  const ratios: number[] = []
  for (let round = 0; round < 5; round++) ratios.push((await timed(null)) / (await timed(hash)))
  const middle = ratios.sort((a, b) => a - b)[2] ?? 0
  expect(middle).toBeGreaterThan(0.6)
  expect(middle).toBeLessThan(1.6)
})

it.each([
  ['short', 'at least 12'],
  ['x'.repeat(201), 'at most 200'],
  ['ada-lovelace-1815', 'the name'],
  ['aaaaaaaaaaaabb', 'five different'],
  ['Password1234', 'anybody tries'],
])('refuses %s', (password, why) => {
  expect(weakness(password, 'ada-lovelace')).toContain(why)
})

it('takes a long sentence of any characters', () => {
  expect(weakness('der rote hund bellt', 'ada')).toBeUndefined()
})
