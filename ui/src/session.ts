import { signal } from '@preact/signals'
import { answer, api, Problem, type Schemas } from './api/client'

/** Who reads: undefined until the server has said so, null where nobody is logged in. */
export const me = signal<Schemas['WhoAmI'] | null | undefined>(undefined)

/** Why the server did not say who reads, other than that nobody is logged in. */
export const trouble = signal<Problem | null>(null)

/** Ask the server who reads. */
export async function recognise(): Promise<void> {
  trouble.value = null
  me.value = await answer(api.GET('/api/v1/auth/whoami')).catch((error: unknown) => {
    if (error instanceof Problem && error.status !== 401) trouble.value = error
    return null
  })
}

/** Log in; the browser gets the session as a cookie that no script sees. */
export async function logIn(name: string, password: string, otp: string): Promise<void> {
  await answer(api.POST('/api/v1/auth/login', { body: { name, password, otp, cookie: true } }))
  await recognise()
  if (trouble.value) throw trouble.value
}

/** End the session. */
export async function logOut(): Promise<void> {
  await answer(api.POST('/api/v1/auth/logout')).catch(() => undefined)
  me.value = null
}
