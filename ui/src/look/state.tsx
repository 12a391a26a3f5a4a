import { type Family, familyOf } from '../model/states'
import { tOr } from './preferences'

const SHAPES: { [family in Family]: preact.ComponentChildren } = {
  ok: [<circle cx="8" cy="8" r="7" fill="currentColor" />, <path class="cut" d="M4.8 8.3 7 10.5l4.2-4.8" />],
  run: [<circle cx="8" cy="8" r="6.2" class="line" />, <path d="M8 1.8a6.2 6.2 0 0 1 0 12.4z" fill="currentColor" />],
  wait: <circle cx="8" cy="8" r="6.2" class="line" />,
  act: [<path d="M8 1.2 14.8 8 8 14.8 1.2 8z" class="line" />, <circle cx="8" cy="8" r="1.8" fill="currentColor" />],
  warn: [<path d="M8 1.3 15.2 14.3H.8z" fill="currentColor" />, <path class="cut" d="M8 6v4M8 12v.4" />],
  bad: [<path d="M5 1h6l4 4v6l-4 4H5l-4-4V5z" fill="currentColor" />, <path class="cut" d="m5.4 5.4 5.2 5.2m0-5.2-5.2 5.2" />],
  off: <path d="M2.5 8h11" class="line" />,
}

/** A state: its word beside a shape, and a colour last. */
export function State({ word, small }: { word: string; small?: boolean }) {
  const family = familyOf(word)
  return (
    <span class={`state ${family}`}>
      <Shape family={family} />
      <span class={small ? 'hidden' : ''}>{tOr(`state.${word}`, word.replaceAll('_', ' '))}</span>
    </span>
  )
}

/** The shape of a family. */
export function Shape({ family }: { family: Family }) {
  return (
    <svg class={`shape ${family}`} viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
      {SHAPES[family]}
    </svg>
  )
}
