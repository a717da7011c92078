-- Which key of the ring sealed a stored key, by the key's public name:
-- a key still needed is not dropped (see plugwayctl keys status).  NULL:
-- sealed before this column was.
ALTER TABLE plugin_api_keys
	ADD COLUMN IF NOT EXISTS key_id CHAR(8) NULL AFTER bind_mac,
	ADD INDEX IF NOT EXISTS plugin_api_keys_key_id (key_id, is_active);
