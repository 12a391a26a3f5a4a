import { direction, language, speak, t, theme, type Theme } from './preferences'

/** Language and theme. */
export function Choices() {
  return (
    <div class="choices" dir={direction.value}>
      <label>
        {t('language')}
        <select value={language.value} onChange={(event) => void speak(event.currentTarget.value as 'en' | 'ar')}>
          <option value="en" lang="en">English</option>
          <option value="ar" lang="ar">العربية</option>
        </select>
      </label>
      <label>
        {t('theme')}
        <select value={theme.value} onChange={(event) => (theme.value = event.currentTarget.value as Theme)}>
          {(['system', 'light', 'dark'] as const).map((each) => (
            <option value={each}>{t(`theme.${each}`)}</option>
          ))}
        </select>
      </label>
    </div>
  )
}
