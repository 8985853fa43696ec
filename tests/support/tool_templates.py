"""Chat templates that know tools, each in the manner of a family of models."""

HERMES_TEMPLATE = (
    "{% if tools %}<|im_start|>system\n<tools>{% for tool in tools %}\n{{ tool | tojson }}{% endfor %}\n</tools>\n"
    '<tool_call>\n{{ \'{"name": <function-name>, "arguments": <args-json-object>}\' }}\n</tool_call><|im_end|>\n'
    "{% endif %}{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}"
    "{% for call in message.tool_calls or [] %}\n<tool_call>\n"
    "{{ '{\"name\": \"' + call.function.name + '\", \"arguments\": ' + (call.function.arguments | tojson) + '}' }}"
    "\n</tool_call>{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MISTRAL_TEMPLATE = (
    "{% if tools is not none %}[AVAILABLE_TOOLS]{{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif %}"
    "{% for message in messages %}{% if message.tool_calls %}[TOOL_CALLS]["
    "{% for call in message.tool_calls %}{% if call.id | length != 9 %}{{ raise_exception('ids have length 9') }}"
    "{% endif %}{{ call.function | tojson }}{% endfor %}]"
    "{% elif message.role == 'tool' %}[TOOL_RESULTS]{{ message.content }}{{ message.tool_call_id }}[/TOOL_RESULTS]"
    "{% else %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA_TEMPLATE = (
    '{% if tools is not none %}Respond in the format {"name": function name, "parameters": its arguments}.'
    "{% for tool in tools %}\n{{ tool | tojson(indent=4) }}{% endfor %}{% endif %}"
    "{% for message in messages %}<|im_start|>{{ 'ipython' if message.role == 'tool' else message.role }}\n"
    "{% if 'tool_calls' in message %}{% set call = message.tool_calls[0].function %}"
    "{{ '{\"name\": \"' + call.name + '\", \"parameters\": ' + (call.arguments | tojson) + '}' }}"
    "{% else %}{{ message.content }}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
