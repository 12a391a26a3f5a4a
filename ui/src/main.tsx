import { render } from 'preact'
import { whenSessionEnds } from './api/client'
import { App } from './app'
import { keepPreferences, language, speak } from './look/preferences'
import { me, recognise } from './session'
import './look/app.css'

whenSessionEnds(() => (me.value = null))
keepPreferences()
await Promise.all([speak(language.value), recognise()])
render(<App />, document.getElementById('app') as HTMLElement)
