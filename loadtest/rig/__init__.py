"""What a load test is made of besides its users: a service, Locust's process, operations, samples, folders."""
