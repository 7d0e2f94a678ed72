"""What the offline store is made of; of no project. features/offline_store.py is what Feast is told about."""
