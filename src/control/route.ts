import { z } from 'zod'

/** Which right a caller needs: none (`public`), to be somebody (`self`), to look, to act, to manage users and keys. */
export type RouteScope = 'public' | 'self' | 'read' | 'operate' | 'admin'

/** One operation of the control API as data: served, documented and called from this alone. */
export interface Route<
  Params extends z.ZodObject = z.ZodObject,
  Query extends z.ZodObject = z.ZodObject,
  Body extends z.ZodObject = z.ZodObject,
  Answer extends z.ZodType = z.ZodType,
> {
  readonly method: 'GET' | 'POST'
  /** Below `/api/v1`; parameters in braces: `/runs/{flow}/{seq}`. */
  readonly path: string
  readonly summary: string
  readonly tag: string
  readonly scope: RouteScope
  readonly params: Params
  readonly query: Query
  readonly body: Body
  /** A schema with a name of its own (see `named`). */
  readonly answer: Answer
}

/** An operation that only looks. */
export const read = { method: 'GET', scope: 'read' } as const
/** An operation that changes something. */
export const act = { method: 'POST', scope: 'operate' } as const

const none = z.strictObject({})
type None = typeof none

/** Completes a route: what it does not take is empty, and what it does not know is refused. Names must differ across params, query and body. */
export function defineRoute<
  Answer extends z.ZodType,
  Params extends z.ZodObject = None,
  Query extends z.ZodObject = None,
  Body extends z.ZodObject = None,
>(
  route: Omit<Route<Params, Query, Body, Answer>, 'params' | 'query' | 'body'> & {
    readonly params?: Params
    readonly query?: Query
    readonly body?: Body
  },
): Route<Params, Query, Body, Answer> {
  const strict = <S extends z.ZodObject>(schema: S | undefined) => (schema ?? none).strict() as unknown as S
  return { ...route, params: strict(route.params), query: strict(route.query), body: strict(route.body) }
}

type Empty<S extends z.ZodObject> = keyof S['shape'] extends never ? true : false
type Given<S extends z.ZodObject> = Empty<S> extends true ? unknown : z.input<S>
type Checked<S extends z.ZodObject> = Empty<S> extends true ? unknown : z.output<S>

/** What a caller gives: params, query and body in one object. */
export type RouteInput<R> =
  R extends Route<infer Params, infer Query, infer Body> ? Given<Params> & Given<Query> & Given<Body> : never

/** The same after it was checked, with defaults filled in. */
export type CheckedInput<R> =
  R extends Route<infer Params, infer Query, infer Body>
    ? Checked<Params> & Checked<Query> & Checked<Body>
    : never

/** What an operation answers. */
export type RouteAnswer<R> = R extends { readonly answer: infer Answer extends z.ZodType }
  ? z.output<Answer>
  : never
