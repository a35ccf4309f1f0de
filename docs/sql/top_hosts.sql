-- The hosts that are attacked most. Events without a host are one row with a NULL host. Equal counts are ordered by host.
SELECT
    host,
    COUNT(*) AS events,
    SUM(CASE WHEN action IN ('blocked', 'challenged', 'redirected') THEN 0 ELSE 1 END) AS not_blocked,
    COUNT(DISTINCT client_ip) AS clients,
    COUNT(DISTINCT path_template) AS paths
FROM events
GROUP BY host
ORDER BY events DESC, host ASC NULLS LAST
LIMIT 20;
