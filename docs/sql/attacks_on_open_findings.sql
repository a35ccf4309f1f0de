-- Open findings that were attacked: those whose attacks were not blocked first, then the most severe.
SELECT
    f.source,
    f.id,
    f.title,
    f.severity,
    f.asset_name,
    f.url,
    m.class,
    m.strength,
    m.family,
    m.events_count,
    m.events_last
FROM findings f
JOIN matches m
    ON m.finding_source = f.source
    AND (m.finding_unique_id = f.unique_id OR (f.unique_id IS NULL AND m.finding_id = f.id))
WHERE f.status IN ('new', 'open', 'reopened', 'retesting', 'unknown')
    AND f.ignored IS NULL
    AND m.class IN ('attacked_not_blocked', 'blocked')
ORDER BY
    CASE m.class WHEN 'attacked_not_blocked' THEN 0 ELSE 1 END ASC,
    CASE f.severity
        WHEN 'critical' THEN 0 WHEN 'high' THEN 1 WHEN 'medium' THEN 2 WHEN 'low' THEN 3 WHEN 'info' THEN 4 ELSE 5
    END ASC,
    m.events_count DESC NULLS LAST,
    f.source ASC,
    f.id ASC;
