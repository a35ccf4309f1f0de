-- The number of findings that were first seen in each week, from Monday. Findings without a date are the last row.
SELECT
    CAST(DATE_TRUNC('week', first_seen) AS DATE) AS week,
    SUM(CASE WHEN severity IN ('critical', 'high') THEN 1 ELSE 0 END) AS severe,
    COUNT(*) AS findings,
    COUNT(DISTINCT asset_id) AS applications
FROM findings
WHERE kind IS NULL OR kind <> 'information'
GROUP BY CAST(DATE_TRUNC('week', first_seen) AS DATE)
ORDER BY week ASC NULLS LAST;
