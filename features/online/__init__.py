"""What the online stores are made of; of no project. features/online_store.py and online_store_redis.py are what Feast is told about."""
