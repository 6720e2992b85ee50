/** A provider of OpenID Connect in the test: discovery, keys, authorization, and tokens that it signs. */
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'

export interface OidcProvider {
  readonly issuer: string
  /** Who signs in there next, as claims of the ID token. */
  person: Record<string, unknown>
  /** What is wrong with the next ID token. */
  spoil: ((claims: Record<string, unknown>) => Record<string, unknown>) | undefined
  /** As the page of the provider would: answers where the browser is sent back to. */
  authorize(url: string): Promise<string>
  close(): Promise<void>
}

export const client = { id: 'busbar', secret: 'a-secret-of-the-client-42' }

export async function openOidcProvider(): Promise<OidcProvider> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })
  const codes = new Map<string, { challenge: string; nonce: string }>()
  const app = Fastify()
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    (_request, body, done) => done(null, Object.fromEntries(new URLSearchParams(body as string))),
  )
  const provider: OidcProvider = {
    issuer: '',
    person: {},
    spoil: undefined,
    async authorize(url) {
      const query = new URL(url).searchParams
      const code = randomBytes(16).toString('hex')
      codes.set(code, { challenge: query.get('code_challenge') ?? '', nonce: query.get('nonce') ?? '' })
      const back = new URL(query.get('redirect_uri') ?? '')
      back.searchParams.set('code', code)
      back.searchParams.set('state', query.get('state') ?? '')
      return back.pathname + back.search
    },
    close: () => app.close(),
  }
  app.get('/.well-known/openid-configuration', async () => ({
    issuer: provider.issuer,
    authorization_endpoint: `${provider.issuer}/authorize`,
    token_endpoint: `${provider.issuer}/token`,
    jwks_uri: `${provider.issuer}/keys`,
    response_types_supported: ['code'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
    code_challenge_methods_supported: ['S256'],
  }))
  // What a person's browser is shown: here it is sent back at once.
  app.get('/authorize', async (request, reply) => {
    const { redirect_uri } = request.query as { redirect_uri: string }
    const back = await provider.authorize(`${provider.issuer}${request.url}`)
    return reply.redirect(new URL(redirect_uri).origin + back)
  })
  app.get('/keys', async () => ({
    keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'RS256', use: 'sig' }],
  }))
  app.post('/token', async (request, reply) => {
    const given = request.body as Record<string, string>
    const begun = codes.get(given['code'] ?? '')
    codes.delete(given['code'] ?? '')
    const challenge = createHash('sha256')
      .update(given['code_verifier'] ?? '')
      .digest('base64url')
    if (begun?.challenge !== challenge || given['client_secret'] !== client.secret)
      return reply.code(400).send({ error: 'invalid_grant' })
    const now = Math.floor(Date.now() / 1_000)
    const claims = {
      iss: provider.issuer,
      aud: client.id,
      iat: now,
      exp: now + 60,
      nonce: begun.nonce,
      ...provider.person,
    }
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const text = `${part({ alg: 'RS256', kid: 'one' })}.${part(provider.spoil?.(claims) ?? claims)}`
    const signature = sign('sha256', Buffer.from(text), privateKey).toString('base64url')
    return { access_token: 'x', token_type: 'Bearer', id_token: `${text}.${signature}` }
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  Object.assign(provider, { issuer: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}` })
  return provider
}
