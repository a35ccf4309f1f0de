-- The addresses that attack most, how many attacks were stopped, and since when. Equal counts are ordered by address.
SELECT
    client_ip,
    COUNT(*) AS events,
    SUM(CASE WHEN action IN ('blocked', 'challenged', 'redirected') THEN 1 ELSE 0 END) AS blocked,
    COUNT(DISTINCT host) AS hosts,
    MIN(time) AS first_event,
    MAX(time) AS last_event
FROM events
WHERE client_ip IS NOT NULL
GROUP BY client_ip
ORDER BY events DESC, client_ip ASC
LIMIT 20;
