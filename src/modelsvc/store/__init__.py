"""The model store: where models are kept by their content, and how they come there."""

from modelsvc.store.entry import Entry as Entry
from modelsvc.store.store import Store as Store
