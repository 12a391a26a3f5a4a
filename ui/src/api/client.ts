import createClient from 'openapi-fetch'
import { nextCursor } from '../model/cursor'
import type { components, paths } from './schema'

export type Schemas = components['schemas']
export type Run = Schemas['Run']

/** What is wrong, in the words of the API (RFC 9457), or of the page where the server was not reached. */
export class Problem extends Error {
  constructor(
    readonly code: string,
    title: string,
    readonly where = '',
    readonly hint = '',
    readonly status = 0,
  ) {
    super(title)
  }
}

/** A page of a list, and the cursor of the one behind it. */
export type Page<T> = { rows: T[]; next: string }

type Answer<T> = { data?: T; error?: unknown; response: Response }
type Ended = (() => void) | null

const hooks: { ended: Ended } = { ended: null }

export const api = createClient<paths>({ headers: { 'X-Falaj-CSRF': '1' } })

/** Header of what a page asks by itself: it keeps no session alive. */
export const BACKGROUND = { headers: { 'X-Falaj-Background': '1' } }

/** Call a function when the server says that nobody is logged in. */
export function whenSessionEnds(action: () => void): void {
  hooks.ended = action
}

/** The document that was answered; a problem is thrown. */
export async function answer<T>(call: Promise<Answer<T>>): Promise<T> {
  return (await complete(call)).data as T
}

/** A page of a list. */
export async function page<T>(call: Promise<Answer<T[]>>): Promise<Page<T>> {
  const { data, response } = await complete(call)
  return { rows: data ?? [], next: nextCursor(response.headers.get('link')) }
}

async function complete<T>(call: Promise<Answer<T>>): Promise<Answer<T>> {
  const received = await call.catch((error: unknown) => {
    throw new Problem('ui.unreachable', String(error))
  })
  if (received.response.ok) return received
  const problem = problemOf(received.error, received.response)
  if (problem.code === 'auth.unauthenticated') hooks.ended?.()
  throw problem
}

function problemOf(document: unknown, response: Response): Problem {
  const known = (typeof document === 'object' && document !== null ? document : {}) as { [key: string]: unknown }
  const text = (key: string) => (typeof known[key] === 'string' ? (known[key] as string) : '')
  const code = text('code') || `http.${response.status}`
  return new Problem(code, text('title') || response.statusText, text('where'), text('hint'), response.status)
}

/** Lines of a step's log. */
export type LogLines = { first: number; lines: string[]; count: number; error: number }

/** Some lines of what a step printed, how many there are, and the first that tells of an error (0 for none). */
export async function logLines(run: string, node: string, first: number, count: number): Promise<LogLines> {
  const call = api.GET('/api/v1/runs/{run_id}/logs/{node}', {
    params: { path: { run_id: run, node }, query: { first, lines: count } },
    parseAs: 'text',
  })
  const { data, response } = await complete(call as Promise<Answer<string>>)
  const lines = (data ?? '').split('\n')
  if (lines.at(-1) === '') lines.pop()
  const number = (name: string) => Number(response.headers.get(name) ?? 0)
  return { first, lines, count: number('x-log-lines'), error: number('x-log-error') }
}
