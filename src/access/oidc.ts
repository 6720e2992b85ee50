import type { Configuration } from 'openid-client'
import type { OidcConfig, UserRole } from '../define/access-config.ts'
import { BusbarError } from '../errors.ts'
import type { Database } from '../journal/database.ts'
import { newToken, tokenHash } from './token.ts'
import { userName } from './users.ts'

/** How long a person may take at the provider. */
const signInSeconds = 600
const order: readonly UserRole[] = ['viewer', 'operator', 'admin']

/** Why somebody whom the provider knows does not come in; a word in the address of the sign-in page. */
export type OidcFault = 'no-role' | 'name-taken' | 'disabled' | 'failed' | 'away' | 'wait' | 'not-set-up'

/** Who came back from the provider, or why not. */
export type OidcOutcome = { readonly userId: number } | { readonly fault: OidcFault; readonly why: string }

/** What a browser is told of an error on the way: what is wrong decides what a person can do. */
export function faultOf(error: unknown): OidcFault {
  if (!(error instanceof BusbarError)) return 'failed'
  if (error.code === 'call.unavailable') return 'away'
  if (error.code === 'request.rate-limited') return 'wait'
  return error.code === 'config.invalid' ? 'not-set-up' : 'failed'
}

/** Single sign-on at one provider; its discovery document is read when first needed, and again after it could not be. */
export class Oidc {
  readonly #settings: Required<OidcConfig>
  readonly #callback: string
  readonly #database: () => Database
  #configuration: Promise<Configuration> | undefined

  constructor(options: {
    readonly settings: Required<OidcConfig>
    /** Where the provider sends people back to. */
    readonly callback: string
    readonly database: () => Database
  }) {
    this.#settings = options.settings
    this.#callback = options.callback
    this.#database = options.database
  }

  /** Where the browser goes, and the token by which it is known when it comes back. Throws `call.unavailable` when the provider does not answer. */
  async begin(): Promise<{ readonly url: string; readonly token: string }> {
    const client = await library()
    const configuration = await this.#discovered()
    const [token, verifier] = [newToken(), client.randomPKCECodeVerifier()]
    const [state, nonce] = [client.randomState(), client.randomNonce()]
    await this.#database().query({
      text: `WITH old AS (DELETE FROM oidc_sign_ins WHERE expires_at < clock_timestamp())
             INSERT INTO oidc_sign_ins VALUES ($1, $2, $3, $4, clock_timestamp() + $5 * interval '1 second')`,
      values: [tokenHash(token), verifier, state, nonce, signInSeconds],
    })
    const url = client.buildAuthorizationUrl(configuration, {
      redirect_uri: this.#callback,
      scope: ['openid', ...this.#settings.scopes].join(' '),
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
    })
    return { url: url.href, token }
  }

  /** Takes the browser's token and what the provider has put into the address; each sign-in counts once. */
  async finish(token: string, search: string): Promise<OidcOutcome> {
    const [begun] = await this.#database().query<{ verifier: string; state: string; nonce: string }>({
      text: `DELETE FROM oidc_sign_ins WHERE hash = $1 AND expires_at > clock_timestamp() RETURNING verifier, state, nonce`,
      values: [tokenHash(token)],
    })
    if (!begun) return { fault: 'failed', why: 'no sign-in was begun in this browser, or it took too long' }
    try {
      const client = await library()
      const tokens = await client.authorizationCodeGrant(
        await this.#discovered(),
        new URL(`${this.#callback}${search}`),
        {
          pkceCodeVerifier: begun.verifier,
          expectedState: begun.state,
          expectedNonce: begun.nonce,
          idTokenExpected: true,
        },
      )
      return await this.#admit(tokens.claims() ?? {})
    } catch (error) {
      return { fault: faultOf(error), why: error instanceof Error ? error.message : String(error) }
    }
  }

  async #admit(claims: Readonly<Record<string, unknown>>): Promise<OidcOutcome> {
    const role = roleOf(claims[this.#settings.roleClaim], this.#settings.roles)
    if (!role) return { fault: 'no-role', why: `no value of "${this.#settings.roleClaim}" has a role` }
    const name = nameOf(claims, this.#settings.nameClaim)
    const [user] = await this.#database().query<{ id: number; disabled_at: Date | null }>({
      text: 'SELECT id, disabled_at FROM oidc_user($1, $2, $3)',
      values: [`${this.#settings.issuer} ${String(claims['sub'])}`, name, role],
    })
    if (!user) return { fault: 'name-taken', why: `there is a user ${name} who signs in otherwise` }
    return user.disabled_at ? { fault: 'disabled', why: `${name} is disabled` } : { userId: user.id }
  }

  #discovered(): Promise<Configuration> {
    this.#configuration ??= this.#discover().catch((error: unknown) => {
      this.#configuration = undefined
      throw new BusbarError(
        'call.unavailable',
        `the provider of single sign-on, ${this.#settings.issuer}, does not answer as it should: ${causeOf(error)}`,
        {
          cause: error,
        },
      )
    })
    return this.#configuration
  }

  async #discover(): Promise<Configuration> {
    const client = await library()
    const { issuer, clientId, clientSecret } = this.#settings
    const url = new URL(issuer)
    // Plain HTTP is for this machine alone: the configuration was checked.
    const execute = url.protocol === 'http:' ? [client.allowInsecureRequests] : []
    return client.discovery(url, clientId, clientSecret, undefined, { execute })
  }
}

/** The innermost words of an error: what the network or the provider said. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.cause instanceof Error) return causeOf(error.cause)
  return error.message || ('code' in error ? String(error.code) : error.name)
}

async function library() {
  try {
    return await import('openid-client')
  } catch (error) {
    throw new BusbarError(
      'config.invalid',
      'access.oidc needs the package openid-client: npm install openid-client',
      {
        cause: error,
      },
    )
  }
}

/** The highest role that any value of the claim has. */
export function roleOf(claim: unknown, roles: OidcConfig['roles']): UserRole | undefined {
  const values: unknown[] = Array.isArray(claim) ? claim : [claim]
  const found = values.flatMap((value) =>
    typeof value === 'string' && Object.hasOwn(roles, value) ? [roles[value]] : [],
  )
  return order.findLast((role) => found.includes(role))
}

function nameOf(claims: Readonly<Record<string, unknown>>, nameClaim: string): string {
  const given = claims[nameClaim] ?? claims['email'] ?? claims['sub']
  return userName(typeof given === 'string' ? given : '')
}
