"""What Coldstart adds to Transformers' and TRL's trainers: gates, schedules, rollouts, trustworthy checkpoints."""
