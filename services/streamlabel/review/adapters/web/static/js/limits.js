// Limits that the service has, too.

export const MAX_NAME = 128;
