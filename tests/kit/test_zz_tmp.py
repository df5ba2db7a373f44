from tests.kit.test_live_faults import *
def test_marks(ground):
    fill(ground, 50)
    code,out,err = ran(ground, at="pipelines.extract:note_reads", do="full", bytes=10)
    print(code, out, err[-600:])
    code,out,err = ran(ground)
    print(code,out)
    ends_well(ground)
