import { computed, effect, signal } from '@preact/signals'
import { format, type Messages, type Values } from '../model/text'

export type Language = 'en' | 'ar'
export type Theme = 'system' | 'light' | 'dark'

/** What a reader chose, kept in this browser; no secret is. */
export const language = signal<Language>(remembered('language', navigator.language.startsWith('ar') ? 'ar' : 'en'))
export const theme = signal<Theme>(remembered('theme', 'system'))
export const zone = signal<string>(remembered('zone', Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC'))
/** The time, moved on every ten seconds, so that ages stay right. */
export const now = signal(Date.now() / 1000)
export const direction = computed(() => (language.value === 'ar' ? 'rtl' : 'ltr'))

const messages = signal<Messages>({})

/** The message of a key in the reader's language. */
export function t(key: string, values?: Values): string {
  return format(messages.value, language.value, key, values)
}

/** A message that may be missing: states and codes that translations do not know are shown as they are. */
export function tOr(key: string, otherwise: string): string {
  return key in messages.value ? t(key) : otherwise
}

/** Fetch the messages of a language, then show it. */
export async function speak(chosen: Language): Promise<void> {
  const loaded = chosen === 'ar' ? await import('../text/ar.json') : await import('../text/en.json')
  messages.value = loaded.default
  language.value = chosen
}

/** Put what was chosen onto the page, now and whenever it changes. */
export function keepPreferences(): void {
  effect(() => {
    const root = document.documentElement
    root.lang = language.value
    root.dir = direction.value
    root.dataset.theme = theme.value
    remember('language', language.value)
    remember('theme', theme.value)
    remember('zone', zone.value)
  })
  setInterval(() => (now.value = Date.now() / 1000), 10_000)
}

function remembered<T extends string>(name: string, otherwise: T): T {
  try {
    return (localStorage.getItem(`falaj.${name}`) as T | null) ?? otherwise
  } catch {
    return otherwise
  }
}

function remember(name: string, value: string): void {
  try {
    localStorage.setItem(`falaj.${name}`, value)
  } catch {
    // a browser that keeps nothing shows the page all the same
  }
}
