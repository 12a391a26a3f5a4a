import { useLocation } from 'preact-iso'
import { useEffect, useRef, useState } from 'preact/hooks'
import { answer, api, BACKGROUND } from '../api/client'
import { placesFor, type Place } from '../model/palette'
import { t } from './preferences'
import { Id } from './values'

/** Pages with their names and the letter that follows `g`. */
export const PLACES = [
  ['/', 'nav.inbox', 'i'],
  ['/models', 'nav.models', 'm'],
  ['/runs', 'nav.runs', 'r'],
  ['/changes', 'nav.changes', 'c'],
  ['/rollouts', 'nav.rollouts', 'o'],
  ['/endpoints', 'nav.endpoints', 'e'],
  ['/alerts', 'nav.alerts', 'a'],
  ['/audit', 'nav.audit', 'u'],
] as const

/** Pages of the menu under the reader's name. */
export const OWN = [
  ['/me', 'me.title'],
  ['/accounts', 'accounts.title'],
  ['/policy', 'policy.title'],
  ['/platform', 'platform.title'],
  ['/lineage', 'nav.lineage'],
] as const

/** The palette (Ctrl K): pages, models, runs, and whatever an id or a name leads to. It also hears the other keys. */
export function Palette() {
  const { route } = useLocation()
  const dialog = useRef<HTMLDialogElement>(null)
  const [text, setText] = useState('')
  const [at, setAt] = useState(0)
  const [known, setKnown] = useState<Place[]>([])
  const places = placesFor(text, [...pages(), ...known])
  const open = () => {
    setText('')
    setAt(0)
    dialog.current?.showModal()
    void things().then(setKnown, () => undefined)
  }
  useEffect(() => listen(open, route), [])
  const go = (place: Place | undefined) => {
    dialog.current?.close()
    if (place) route(place.href)
  }
  const press = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step) setAt((before) => Math.min(places.length - 1, Math.max(0, before + step)))
    if (event.key === 'Enter') go(places[at])
    if (step || event.key === 'Enter') event.preventDefault()
  }
  return (
    <>
      <button type="button" class="find" onClick={open}>
        {t('palette')} <kbd>Ctrl K</kbd>
      </button>
      <dialog ref={dialog} class="palette" aria-label={t('palette')}>
        <input role="combobox" aria-label={t('palette.label')} aria-expanded="true" aria-controls="places" aria-activedescendant={places.length ? `place-${at}` : undefined}
          value={text} placeholder={t('palette.label')} dir="auto" onKeyDown={press} onInput={(event) => { setText(event.currentTarget.value); setAt(0) }} />
        <ul role="listbox" id="places" aria-label={t('palette')}>
          {places.map((place, index) => (
            <li role="option" id={`place-${index}`} aria-selected={index === at} onClick={() => go(place)}>
              {place.kind === 'page' ? place.name : <Id>{place.name}</Id>} <span class="faint">{t(`palette.${place.kind}`)}</span>
            </li>
          ))}
        </ul>
        {!places.length && <p class="faint">{t('palette.none')}</p>}
      </dialog>
    </>
  )
}

function pages(): Place[] {
  return [...PLACES, ...OWN].map(([href, name]) => ({ name: t(name), kind: 'page', href }))
}

/** Models and newest runs, by name. */
async function things(): Promise<Place[]> {
  const [releases, runs] = await Promise.all([
    answer(api.GET('/api/v1/releases', { params: { query: { limit: 100 } }, ...BACKGROUND })),
    answer(api.GET('/api/v1/runs', { params: { query: { limit: 50 } }, ...BACKGROUND })),
  ])
  const models = [...new Set(releases.map((release) => release.model))]
  return [
    ...models.map((name) => ({ name, kind: 'model', href: `/models/${name}` })),
    ...releases.map((release) => ({ name: `${release.model}@${release.number}`, kind: 'release', href: `/models/${release.model}/releases/${release.number}` })),
    ...runs.map((run) => ({ name: run.id, kind: 'run', href: `/runs/${run.id}` })),
  ]
}

/** Keys of the whole page: Ctrl K, `/` for the first filter, `g` and a letter for a page. */
function listen(open: () => void, route: (path: string) => void): () => void {
  let afterG = 0
  const press = (event: KeyboardEvent) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
      event.preventDefault()
      open()
    } else if (!event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event.target)) {
      const place = Date.now() - afterG < 1500 ? PLACES.find(([, , letter]) => letter === event.key) : undefined
      afterG = event.key === 'g' ? Date.now() : 0
      if (place) route(place[0])
      if (event.key === '/') {
        event.preventDefault()
        document.querySelector<HTMLElement>('.filters input, .filters select')?.focus()
      }
    }
  }
  addEventListener('keydown', press)
  return () => removeEventListener('keydown', press)
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName))
}
