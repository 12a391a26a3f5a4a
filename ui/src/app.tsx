import { ErrorBoundary, LocationProvider, Route, Router, useLocation } from 'preact-iso'
import { useEffect, useState } from 'preact/hooks'
import { pause, live, start } from './api/live'
import { Choices } from './look/choices'
import { OWN, Palette, PLACES } from './look/palette'
import { t } from './look/preferences'
import { Time, Who } from './look/values'
import { PAGES, Unknown } from './pages'
import { logOut, me } from './session'

const WITHOUT_SESSION = ['/login', '/setup', '/password']

/** Everything that a reader sees: the frame, and in it the page of the address. */
export function App() {
  return (
    <LocationProvider>
      <Frame />
    </LocationProvider>
  )
}

function Frame() {
  const { path, url, route } = useLocation()
  const [stale, setStale] = useState(false)
  const open = WITHOUT_SESSION.includes(path)
  useEffect(() => {
    if (me.value === null && !open) route(`/login?next=${encodeURIComponent(url)}`, true)
    if (me.value) start()
  }, [me.value, open])
  if (me.value === undefined || (me.value === null && !open)) return null
  return (
    <>
      <a class="skip" href="#main">
        {t('skip')}
      </a>
      {me.value && !open && <Top />}
      {stale && <p class="notice" role="alert">{t('stale')} <button type="button" onClick={() => location.reload()}>{t('reload')}</button></p>}
      <main id="main" class={open ? 'alone' : ''}>
        <ErrorBoundary onError={() => setStale(true)}>
          <Router>
            {PAGES.map(([address, page]) => (
              <Route path={address} component={page} />
            ))}
            <Route default component={Unknown} />
          </Router>
        </ErrorBoundary>
      </main>
    </>
  )
}

function Top() {
  const { path } = useLocation()
  return (
    <header class="top">
      <a class="brand" href="/">
        <img src={new URL(/* @vite-ignore */ 'icon.svg', import.meta.url).href} alt="" width="22" height="22" /> Falaj
      </a>
      <nav aria-label={t('nav')}>
        <ul>
          {PLACES.map(([address, label]) => (
            <li>
              <a href={address} aria-current={isAt(path, address) ? 'page' : undefined}>
                {t(label)}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <Palette />
      <Live />
      <Reader />
    </header>
  )
}

function isAt(path: string, address: string): boolean {
  return address === '/' ? path === '/' : path === address || path.startsWith(`${address}/`)
}

function Live() {
  const { state, since } = live.value
  return (
    <button type="button" class={`live ${state}`} aria-pressed={state === 'paused'} onClick={pause}>
      <span class="dot" aria-hidden="true" /> {t(`live.${state}`)} {state === 'lost' && <Time at={since} />}
    </button>
  )
}

function Reader() {
  return (
    <details class="reader">
      <summary>{me.value && <Who id={me.value.id} />}</summary>
      <div class="menu">
        <ul class="plain">
          {OWN.map(([address, label]) => <li><a href={address}>{t(label)}</a></li>)}
        </ul>
        <Choices />
        <button type="button" onClick={() => void logOut()}>
          {t('logout')}
        </button>
      </div>
    </details>
  )
}
