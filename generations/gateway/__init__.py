"""The gateway: `/v1/...` as OpenAI's clients call it, sent on as it is, answered byte for byte, and recorded."""
