"""How a Lambda function is made and packed, and how a finding of cdk-nag is acknowledged."""
