"""Where Slack's calls arrive. A listener validates, hands over to the inbox, acknowledges."""
