-- The age of open findings by severity: from when they were first seen to the end of the newest day in the lake.
SELECT
    age,
    SUM(CASE WHEN severity = 'critical' THEN 1 ELSE 0 END) AS critical,
    SUM(CASE WHEN severity = 'high' THEN 1 ELSE 0 END) AS high,
    SUM(CASE WHEN severity = 'medium' THEN 1 ELSE 0 END) AS medium,
    SUM(CASE WHEN severity = 'low' THEN 1 ELSE 0 END) AS low,
    COUNT(*) AS findings
FROM (
    SELECT
        f.severity,
        CASE
            WHEN f.first_seen IS NULL THEN '5 unknown'
            WHEN f.first_seen > n.today - INTERVAL '7' DAY THEN '1 under 7 days'
            WHEN f.first_seen > n.today - INTERVAL '30' DAY THEN '2 from 7 to 29 days'
            WHEN f.first_seen > n.today - INTERVAL '90' DAY THEN '3 from 30 to 89 days'
            ELSE '4 90 days and more'
        END AS age
    FROM findings f
    CROSS JOIN (SELECT CAST(MAX(dt) AS TIMESTAMP) + INTERVAL '1' DAY AS today FROM findings) n
    WHERE f.status IN ('new', 'open', 'reopened', 'retesting', 'unknown')
        AND f.ignored IS NULL
        AND (f.kind IS NULL OR f.kind <> 'information')
) aged
GROUP BY age
ORDER BY age ASC;
