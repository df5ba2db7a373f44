"""The sample company: everything needed to try the pipeline without a vendor account.

This room invents data and writes it in the shapes that the outside world uses. It imports nothing of the other rooms,
and none of them imports it: the pipeline meets the sample company only as files in a folder, as it meets a real one.
Where the files go next is `pipelines/connectors`; what is planted in them is told in `docs/sample-company.md`.
"""
