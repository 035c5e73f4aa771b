"""Logs one call, and waits for it to be taken as the client does when it ends."""

import os

import gantry

gantry.init()
app = gantry.get_application(os.environ["GANTRY_APP_NAME"])
app.log_llm_data({"model": "m", "prompt": "Anybody there?"}, {"id": "patient", "choices": [{"text": "Yes."}]})
