import { useRef, useState } from 'preact/hooks'
import { answer, api, BACKGROUND, type Problem, type Schemas } from '../api/client'
import { ProblemBox } from './page'
import { t } from './preferences'

export type Permission = Schemas['PolicyAnswer']
type Action = Schemas['Question']['action']

/** Whether the reader may do several things, asked at once. */
export function permissions(actions: readonly Action[], project: string | null, environment: string | null): Promise<Permission[]> {
  const questions = actions.map((action) => ({ action, project, environment }))
  return answer(api.POST('/api/v1/policy/questions', { body: { questions }, ...BACKGROUND }))
}

type AskProps = {
  label: string
  permission?: Permission
  act: (reason: string) => Promise<unknown>
  done: () => void
  /** What must be typed before it is done, as for what cannot be undone. */
  typed?: string
}

/** A button of something that takes a reason; who may not do it sees why before the click. */
export function Ask({ label, permission, act, done, typed }: AskProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [problem, setProblem] = useState<Problem>()
  const [name, setName] = useState('')
  const refused = permission?.allowed === false
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    const reason = String(new FormData(event.target as HTMLFormElement).get('reason') ?? '')
    try {
      await act(reason)
      dialog.current?.close()
      done()
    } catch (error) {
      setProblem(error as Problem)
    }
  }
  return (
    <span class="ask">
      <button type="button" aria-disabled={refused} onClick={() => !refused && dialog.current?.showModal()}>{label}</button>
      {refused && <small><bdi>{permission?.reason}</bdi></small>}
      <dialog ref={dialog} aria-label={label}>
        <form class="form" onSubmit={(event) => void submit(event as SubmitEvent)}>
          <strong>{label}</strong>
          {problem && <ProblemBox problem={problem} />}
          <label>{t('reason')}<textarea name="reason" required rows={3} dir="auto" /></label>
          {typed && <label>{t('type-name', { name: typed })}<input dir="ltr" value={name} onInput={(event) => setName(event.currentTarget.value)} /></label>}
          <div class="actions">
            <button class="primary" disabled={typed !== undefined && name !== typed}>{label}</button>
            <button type="button" onClick={() => dialog.current?.close()}>{t('back')}</button>
          </div>
        </form>
      </dialog>
    </span>
  )
}
