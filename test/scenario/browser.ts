/** A browser as the control API sees one: keeps cookies, says where it is. */
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import type { RouteId, Routes } from '../../src/control/route-table.ts'
import type { RouteInput } from '../../src/control/route.ts'
import { request } from './control-rig.ts'

export const host = 'busbar.test'
export const origin = `http://${host}`
/** What the console's own acts carry. */
export const sameOrigin = { host, origin, 'sec-fetch-site': 'same-origin', 'x-busbar-console': '1' }

export interface Answered {
  readonly status: number
  readonly body: Record<string, unknown>
  readonly headers: LightMyRequestResponse['headers']
}

export class Browser {
  readonly #app: FastifyInstance
  readonly #cookies = new Map<string, string>()
  readonly #own: Record<string, string>

  /** `own`: headers beside the usual ones. */
  constructor(app: FastifyInstance, own: Record<string, string> = {}) {
    this.#app = app
    this.#own = own
  }

  get cookie(): string {
    return [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  setCookie(name: string, value: string): void {
    this.#cookies.set(name, value)
  }

  /** An operation of the route table, by this browser. */
  async ask<Id extends RouteId>(id: Id, input?: RouteInput<Routes[Id]> | object): Promise<Answered> {
    const headers = { ...sameOrigin, ...this.#own, ...(this.#cookies.size > 0 && { cookie: this.cookie }) }
    return this.#answered(await request(this.#app, id, input as Record<string, unknown>, headers))
  }

  /** Any path. */
  async go(path: string): Promise<Answered> {
    const headers = { host, ...this.#own, cookie: this.cookie }
    return this.#answered(await this.#app.inject({ method: 'GET', url: path, headers }))
  }

  #answered(response: LightMyRequestResponse): Answered {
    for (const { name, value, maxAge } of response.cookies as {
      name: string
      value: string
      maxAge?: number
    }[])
      if (maxAge === 0) this.#cookies.delete(name)
      else this.#cookies.set(name, value)
    const isJson = String(response.headers['content-type']).includes('json')
    return {
      status: response.statusCode,
      body: isJson ? response.json<Record<string, unknown>>() : {},
      headers: response.headers,
    }
  }
}

/** The token of a one-time link. */
export function tokenOf(url: string): string {
  return url.split('#')[1] ?? ''
}
