import { useLocation } from 'preact-iso'
import { answer, api, BACKGROUND, type Schemas } from '../api/client'
import { useFetched } from '../api/fetched'
import { Page, Panel } from '../look/page'
import { t } from '../look/preferences'
import { Shape } from '../look/state'
import { Facts, Id, Who } from '../look/values'
import '../charts/charts.css'
import { withQuery } from '../model/query'

type Action = Schemas['Question']['action']

const ACTIONS: readonly Action[] = [
  'read', 'read-audit', 'trigger', 'run', 'configure-project', 'operate', 'manage-platform', 'manage-accounts', 'manage-own',
  'request-change', 'approve-change', 'reject-change', 'cancel-change', 'review-change', 'rollback', 'manage-callers', 'steer-rollout',
  'override-rollout', 'decide-gate', 'archive-release', 'retire-release', 'revoke-release', 'export-predictions', 'score', 'manage-keys',
  'manage-privacy',
]

/** Who may what, and which policy says so? */
export default function Policy() {
  const rules = useFetched(() => answer(api.GET('/api/v1/policy/rules', BACKGROUND)), [])
  return (
    <Page title={t('policy.title')} lead={t('policy.lead')}>
      <Question />
      <Panel title={t('policy.rules')} fetched={rules}>
        {(rows) => (
          <ul class="plain rules">
            {rows.map((rule) => (
              <li id={rule.id}>
                <details>
                  <summary><span class="state"><Shape family={rule.effect === 'forbid' ? 'bad' : 'ok'} /> <span>{t(`policy.${rule.effect}`)}</span></span> <Id>{rule.id}</Id> <bdi class="faint">{rule.explanation}</bdi></summary>
                  <p class="faint">{rule.source}</p>
                  <pre dir="ltr" tabIndex={0}>{rule.text}</pre>
                </details>
              </li>
            ))}
          </ul>
        )}
      </Panel>
    </Page>
  )
}

/** A question in the address, and what policy answers; nothing is done and nothing is written down. */
function Question() {
  const { path, query, route } = useLocation()
  const action = ACTIONS.find((each) => each === query.action) ?? 'request-change'
  const body = { action, project: query.project || null, environment: query.environment || null }
  const fetched = useFetched(() => answer(api.POST('/api/v1/policy/ask', { body, ...BACKGROUND })), [JSON.stringify(body)])
  const change = (name: string, value: string) => route(withQuery(path, query, { [name]: value }))
  return (
    <section class="panel">
      <h2>{t('policy.ask')}</h2>
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <label>
          {t('policy.action')}
          <select name="action" dir="ltr" value={action} onChange={(event) => change('action', event.currentTarget.value)}>{ACTIONS.map((each) => <option value={each}>{each}</option>)}</select>
        </label>
        {(['project', 'environment'] as const).map((name) => (
          <label>{t(`policy.${name}`)}<input name={name} dir="ltr" value={query[name] ?? ''} onChange={(event) => change(name, event.currentTarget.value.trim())} /></label>
        ))}
      </form>
      <Panel fetched={fetched}>
        {(said) => (
          <div class={`why answer ${said.allowed ? 'ok' : ''}`}>
            <p class="state"><Shape family={said.allowed ? 'ok' : 'bad'} /> <strong>{t(said.allowed ? 'policy.allowed' : 'policy.refused')}</strong></p>
            <p><bdi>{said.reason}</bdi></p>
            <Facts facts={[
              [t('policy.who'), <Who id={said.principal} />],
              [t('policy.resource'), <Id>{said.resource}</Id>],
              [t('policy.policies'), said.policies.length > 0 && said.policies.map((each) => <><a href={`#${each}`}><Id>{each}</Id></a> </>)],
              [t('policy.roles'), said.roles.length > 0 && <bdi>{said.roles.join(', ')}</bdi>],
            ]} />
          </div>
        )}
      </Panel>
    </section>
  )
}
