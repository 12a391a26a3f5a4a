import { signal } from '@preact/signals'
import { answer, api, type Schemas } from './api/client'

/** Who reads: undefined until the server has said so, null where nobody is logged in. */
export const me = signal<Schemas['WhoAmI'] | null | undefined>(undefined)

/** Ask the server who reads. */
export async function recognise(): Promise<void> {
  me.value = await answer(api.GET('/api/v1/auth/whoami')).catch(() => null)
}

/** Log in; the browser gets the session as a cookie that no script sees. */
export async function logIn(name: string, password: string, otp: string): Promise<void> {
  await answer(api.POST('/api/v1/auth/login', { body: { name, password, otp, cookie: true } }))
  await recognise()
}

/** End the session. */
export async function logOut(): Promise<void> {
  await answer(api.POST('/api/v1/auth/logout')).catch(() => undefined)
  me.value = null
}
