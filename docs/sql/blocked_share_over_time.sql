-- The share of attacks that was stopped on each day, in per cent, for each service.
SELECT
    source,
    dt AS day,
    COUNT(*) AS events,
    SUM(CASE WHEN action IN ('blocked', 'challenged', 'redirected') THEN 1 ELSE 0 END) AS blocked,
    ROUND(
        CAST(SUM(CASE WHEN action IN ('blocked', 'challenged', 'redirected') THEN 100 ELSE 0 END) AS DOUBLE)
        / CAST(COUNT(*) AS DOUBLE),
        1
    ) AS blocked_percent
FROM events
GROUP BY source, dt
ORDER BY source ASC, day ASC;
