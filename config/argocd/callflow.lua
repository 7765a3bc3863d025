-- SPDX-License-Identifier: Apache-2.0
-- Argo CD's view of a CallFlow. While it has mistakes calls run the last version that had none, and it is Degraded.
local status = obj.status
if status == nil or status.observedGeneration ~= obj.metadata.generation or status.conditions == nil then
  return {status = "Progressing", message = "no controller has looked at it yet"}
end
for _, c in ipairs(status.conditions) do
  if c.type == "Valid" and c.status == "True" then
    return {status = "Healthy", message = c.message}
  end
  if c.type == "Stalled" and c.status == "True" then
    return {status = "Degraded", message = c.message}
  end
end
return {status = "Progressing", message = "it is being judged"}
