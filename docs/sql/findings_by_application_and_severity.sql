-- Open findings of each application by severity; applications with the most severe ones first, then by name.
SELECT
    source,
    asset_id,
    asset_name,
    SUM(CASE WHEN severity = 'critical' THEN 1 ELSE 0 END) AS critical,
    SUM(CASE WHEN severity = 'high' THEN 1 ELSE 0 END) AS high,
    SUM(CASE WHEN severity = 'medium' THEN 1 ELSE 0 END) AS medium,
    SUM(CASE WHEN severity = 'low' THEN 1 ELSE 0 END) AS low,
    SUM(CASE WHEN severity IN ('critical', 'high', 'medium', 'low') THEN 0 ELSE 1 END) AS others,
    COUNT(*) AS findings
FROM findings
WHERE status IN ('new', 'open', 'reopened', 'retesting', 'unknown')
    AND ignored IS NULL
GROUP BY source, asset_id, asset_name
ORDER BY
    critical DESC, high DESC, medium DESC, low DESC, others DESC,
    asset_name ASC NULLS LAST, asset_id ASC NULLS LAST, source ASC;
