import { useLocation } from 'preact-iso'
import { useState } from 'preact/hooks'
import type { Problem } from '../api/client'
import { Choices } from './choices'
import { Page, ProblemBox } from './page'
import { t } from './preferences'

type LinkFormProps = {
  title: string
  lead: string
  button: string
  named?: boolean
  send: (link: string, field: (name: string) => string) => Promise<unknown>
  next: string
}

/** A form that a one-time link opens; its secret stands behind the `#` of the address, which is sent to no server. */
export function LinkForm({ title, lead, button, named, send, next }: LinkFormProps) {
  const { route } = useLocation()
  const [link] = useState(() => location.hash.slice(1))
  const [problem, setProblem] = useState<Problem>()
  const [different, setDifferent] = useState(false)
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    const fields = new FormData(event.target as HTMLFormElement)
    const field = (name: string) => String(fields.get(name) ?? '')
    setDifferent(field('password') !== field('again'))
    if (field('password') !== field('again')) return
    try {
      await send(link, field)
      route(next, true)
    } catch (error) {
      setProblem(error as Problem)
    }
  }
  return (
    <Page title={title} lead={link ? lead : t('link.missing')}>
      {link && (
        <form class="form" onSubmit={(event) => void submit(event as SubmitEvent)}>
          {problem && <ProblemBox problem={problem} />}
          {named && <label>{t('login.name')}<input name="name" required autocomplete="username" dir="ltr" /></label>}
          {named && <label>{t('setup.email')}<input name="email" type="email" required autocomplete="email" dir="ltr" /></label>}
          <label>{t('password.new')}<input name="password" type="password" required autocomplete="new-password" dir="ltr" /></label>
          <label>{t('password.again')}<input name="again" type="password" required autocomplete="new-password" dir="ltr" /></label>
          {different && <p role="alert" class="bad">{t('password.different')}</p>}
          <button class="primary">{button}</button>
        </form>
      )}
      <Choices />
    </Page>
  )
}
