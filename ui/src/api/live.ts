import { signal } from '@preact/signals'
import { api, BACKGROUND } from './client'

/** Something that happened; it only says what to fetch again. */
export type FalajEvent = { id: number; at: number; subject: string; kind: string }

/** Whether events arrive, and since when they do not. */
export const live = signal<{ state: 'connecting' | 'live' | 'lost' | 'paused'; since: number }>({ state: 'connecting', since: Date.now() / 1000 })

type Follower = { concerns: (event: FalajEvent) => boolean; again: () => void; due: boolean }

const LOCK = 'falaj-events'
const TOGETHER_MS = 400
const AGAIN_MS = 3_000
const followers = new Set<Follower>()
const channel = 'BroadcastChannel' in self ? new BroadcastChannel(LOCK) : null
let stop: () => void = () => undefined
let timer = 0

/** Call a function when something happens that concerns it; events that come together call it once. */
export function follow(concerns: (event: FalajEvent) => boolean, again: () => void): () => void {
  const follower = { concerns, again, due: false }
  followers.add(follower)
  return () => void followers.delete(follower)
}

/** Begin to follow events: one tab of the browser holds the stream and passes on what it hears. */
export function start(): void {
  const ended = new AbortController()
  stop()
  stop = () => ended.abort()
  if (channel) channel.onmessage = (message) => hear(message.data as FalajEvent | string)
  if (navigator.locks === undefined) void lead(ended.signal)
  else navigator.locks.request(LOCK, { signal: ended.signal }, () => lead(ended.signal)).catch(() => undefined)
}

/** Stop to follow, or go on. */
export function pause(): void {
  if (live.value.state === 'paused') {
    start()
    followers.forEach((follower) => follower.again())
  } else {
    stop()
    if (channel) channel.onmessage = null
    set('paused')
  }
}

/** Hold the stream until the tab goes, or pauses; what breaks is begun again behind the last event. */
async function lead(ended: AbortSignal): Promise<void> {
  set('connecting')
  let position = (await api.GET('/api/v1/events/last', BACKGROUND).catch(() => ({ data: 0 }))).data ?? 0
  while (!ended.aborted) {
    position = await read(position, ended)
    if (!ended.aborted) tell('lost')
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
  }
}

/** Read events from behind one until the stream ends; the last one that came. */
async function read(position: number, ended: AbortSignal): Promise<number> {
  let last = position
  try {
    const answered = await fetch(`/api/v1/events?after=${position}`, { ...BACKGROUND, signal: ended })
    if (!answered.ok || !answered.body) return last
    tell('live')
    const reader = answered.body.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const messages = (text + part.value).split('\n\n')
      text = messages.pop() ?? ''
      for (const event of messages.flatMap(eventOf)) {
        last = event.id
        tell(event)
      }
    }
  } catch {
    // the server or the network went away: the caller begins again
  }
  return last
}

function eventOf(message: string): FalajEvent[] {
  const data = message.split('\n').find((line) => line.startsWith('data: '))
  return data ? [JSON.parse(data.slice(6)) as FalajEvent] : []
}

function tell(what: FalajEvent | 'live' | 'lost'): void {
  channel?.postMessage(what)
  hear(what)
}

function hear(what: FalajEvent | string): void {
  if (typeof what === 'string') set(what === 'lost' ? 'lost' : 'live')
  else {
    for (const follower of followers) follower.due ||= follower.concerns(what)
    timer ||= self.setTimeout(wake, TOGETHER_MS)
  }
}

function wake(): void {
  timer = 0
  for (const follower of followers) {
    if (follower.due) {
      follower.due = false
      follower.again()
    }
  }
}

function set(state: 'connecting' | 'live' | 'lost' | 'paused'): void {
  if (live.value.state !== state) live.value = { state, since: Date.now() / 1000 }
}
