import { useLocation } from 'preact-iso'
import { useState } from 'preact/hooks'
import { Problem } from '../api/client'
import { Choices } from '../look/choices'
import { Page, ProblemBox } from '../look/page'
import { t } from '../look/preferences'
import { logIn, trouble } from '../session'

/** Who are you? */
export default function Login() {
  const { query, route } = useLocation()
  const [problem, setProblem] = useState<Problem | undefined>(trouble.value ?? undefined)
  const [busy, setBusy] = useState(false)
  const withCode = problem?.code === 'identity.otp-needed'

  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    const fields = new FormData(event.target as HTMLFormElement)
    const field = (name: string) => String(fields.get(name) ?? '')
    setBusy(true)
    try {
      await logIn(field('name'), field('password'), field('otp'))
      route(within(query.next), true)
    } catch (error) {
      setProblem(error as Problem)
    } finally {
      setBusy(false)
    }
  }
  return (
    <Page title={t('login.title')} lead={t('login.lead')}>
      <form class="form" onSubmit={(event) => void submit(event as SubmitEvent)}>
        {problem && !withCode && <ProblemBox problem={problem} />}
        <label>
          {t('login.name')}
          <input name="name" required autocomplete="username" dir="ltr" />
        </label>
        <label>
          {t('login.password')}
          <input name="password" type="password" required autocomplete="current-password" dir="ltr" />
        </label>
        <label hidden={!withCode && !problem}>
          {t('login.otp')}
          <input name="otp" inputMode="numeric" autocomplete="one-time-code" dir="ltr" />
        </label>
        {withCode && <p role="alert">{t('login.otp-needed')}</p>}
        <button class="primary" disabled={busy}>
          {t('login.button')}
        </button>
      </form>
      <Choices />
    </Page>
  )
}

/** Where to go on; an address of another site is none. */
function within(next: string | undefined): string {
  const target = new URL(next || '/', location.origin)
  return target.origin === location.origin ? `${target.pathname}${target.search}${target.hash}` : '/'
}
