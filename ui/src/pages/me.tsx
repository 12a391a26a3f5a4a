import { answer, api, BACKGROUND, type Schemas } from '../api/client'
import { useFetched } from '../api/fetched'
import { Choices } from '../look/choices'
import { Page, Panel } from '../look/page'
import { t, zone } from '../look/preferences'
import { type Column, Table } from '../look/table'
import { Facts, Id, Time } from '../look/values'
import { me, recognise } from '../session'

type Session = Schemas['OwnSession']

/** Who am I here? */
export default function Me() {
  const sessions = useFetched(() => answer(api.GET('/api/v1/auth/sessions', BACKGROUND)), [])
  const keys = useFetched(() => answer(api.GET('/api/v1/auth/approval-keys', BACKGROUND)), [])
  const reader = me.value
  if (!reader) return null
  const end = async (id: string) => {
    await answer(api.DELETE('/api/v1/auth/sessions/{session_id}', { params: { path: { session_id: id } } }))
    await recognise()
    sessions.again()
  }
  const columns: Column<Session>[] = [
    { head: t('me.method'), cell: (each) => <>{t(each.browser ? 'me.browser' : 'me.terminal')} · <Id>{each.method}</Id></> },
    { head: t('me.opened'), cell: (each) => <Time at={each.authenticated_at} /> },
    { head: t('me.used'), cell: (each) => <Time at={each.used_at} /> },
    { head: t('me.expires'), cell: (each) => <Time at={each.expires_at} /> },
    { head: t('me.end'), cell: (each) => (each.current ? t('me.this') : <button type="button" onClick={() => void end(each.id)}>{t('me.end')}</button>) },
  ]
  return (
    <Page title={t('me.title')} shown={<>{t('me.title')} <Id>{reader.id}</Id></>} lead={reader.email}>
      <section class="panel">
        <h2>{t('me.preferences')}</h2>
        <Choices />
        <label>{t('me.zone')}<select value={zone.value} onChange={(event) => (zone.value = event.currentTarget.value)}>{zones().map((each) => <option value={each}>{each}</option>)}</select></label>
      </section>
      <section class="panel">
        <h2>{t('me.roles')}</h2>
        <Facts facts={(reader.roles ?? []).map((role) => [role.role, <bdi>{[role.project, role.environment].filter(Boolean).join(', ') || t('me.everywhere')}</bdi>] as const)} />
      </section>
      <Panel title={t('me.sessions')} fetched={sessions}>{(rows) => <Table caption={t('me.sessions')} columns={columns} rows={rows} id={(each) => each.id} />}</Panel>
      <Panel title={t('me.keys')} fetched={keys}>
        {(rows) => (rows.length ? <Table caption={t('me.keys')} columns={keyColumns()} rows={rows} id={(key) => key.key_id} /> : <p class="faint">{t('me.no-keys')}</p>)}
      </Panel>
    </Page>
  )
}

function keyColumns(): Column<Schemas['ApprovalKey']>[] {
  return [
    { head: t('release.key'), cell: (key) => <Id short={24}>{key.key_id}</Id> },
    { head: t('me.opened'), cell: (key) => <Time at={key.not_before} /> },
    { head: t('me.expires'), cell: (key) => <Time at={key.not_after} /> },
  ]
}

function zones(): string[] {
  return [...new Set(['UTC', zone.value, ...Intl.supportedValuesOf('timeZone')])]
}
