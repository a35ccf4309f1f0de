-- The rules that are violated most. An event that violates several rules counts for each. Equal counts are ordered by rule.
SELECT
    source,
    rule_id,
    COUNT(*) AS events,
    COUNT(DISTINCT client_ip) AS clients,
    COUNT(DISTINCT host) AS hosts
FROM event_rules
WHERE rule_id IS NOT NULL
GROUP BY source, rule_id
ORDER BY events DESC, source ASC, rule_id ASC
LIMIT 20;
